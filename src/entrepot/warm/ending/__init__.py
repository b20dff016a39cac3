"""How does a warm program end?"""
