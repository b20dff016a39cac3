"""What do the files of a program say: which modules, importing what, defining what?"""
