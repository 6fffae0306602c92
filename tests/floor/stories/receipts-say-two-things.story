# Two receipts of one visit were one event, and upstream heard of the first.
0.0 gates have beams
1.4 bob enters
8.5 bob takes bread
13.0 bob goes 1.5 1.0
13.5 refunds are refused
15.5 bob taps out
16.0 bob leaves
17.6 staff refunds 2 200
