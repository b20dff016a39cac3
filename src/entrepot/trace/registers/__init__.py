"""Which registers of the process has a module changed?"""
