"""How can a program be organised into modules, doing exactly what it did?"""
