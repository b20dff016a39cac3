"""What may a module find around it when it is initialised?"""
