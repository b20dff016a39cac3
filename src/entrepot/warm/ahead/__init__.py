"""Which modules wait for the program, and what did they do when they were initialised?"""
