"""May the program have a module that was initialised before it asked for it?"""
