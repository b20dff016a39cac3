"""How is a module found, made, run once, kept, and bound to names?"""
