# The tap that pays for an open visit was forgotten after a day, and its hold given back although it was used.
0.0 ledger lags 3
4.2 joe taps in
4.2 night passes
7.3 joe goes 6.35 2.9
8.6 ann enters
11.7 daemon crashes 700
14.7 ann takes bread
