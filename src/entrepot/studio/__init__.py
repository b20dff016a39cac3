"""What does a program look like: its files, its runs, its imports step by step, its graph, its edits?"""
