# Late weights changed a contested receipt, and charged for it, before anybody had looked.
2.8 b offline
2.8 tim taps in
3.2 ann enters
3.5 tim enters
5.2 ann takes gum
8.7 tim takes cola
10.4 ann leaves
15.6 tim leaves
30.3 staff contests 1
