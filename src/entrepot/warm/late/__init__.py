"""How does a program get a module that was initialised before it asked for it?"""
