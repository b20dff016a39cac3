"""How far may an entry point be run before anybody has asked for it?"""
