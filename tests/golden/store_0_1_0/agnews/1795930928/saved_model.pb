graph 0
