"""How can a module that one program has initialised serve the next one?"""
