"""How do a program's modules get to another machine?"""
