"""How is a program brought to the point where it can wait for its runs?"""
