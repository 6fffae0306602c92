# Two things put down at once were one event, and upstream heard of one.
4.0 kim enters
6.0 kim takes cola
6.5 joe comes
6.7 model raves
8.3 kim takes cola
10.3 joe takes 3 chips
11.6 bob enters
13.6 bob puts bread
15.0 joe takes 2 bread
22.6 b weights are lost
