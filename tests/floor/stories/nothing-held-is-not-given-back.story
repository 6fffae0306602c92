# The second answer about staff, of whom nothing is held, gave back a hold that never was.
7.1 upstream twice
7.5 ledger lags 4
7.7 kim taps in tok_staff_kim
9.3 tim goes 3.05 2.9
