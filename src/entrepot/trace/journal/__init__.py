"""How does a traced program write down what happens, so that nothing is lost and nothing waits?"""
