"""What can be said of a module, an error or an audit event in a line of text?"""
