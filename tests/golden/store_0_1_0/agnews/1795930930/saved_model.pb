graph 2
