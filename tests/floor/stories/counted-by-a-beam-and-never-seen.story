# A visit of somebody only a beam had counted never ended.
0.0 gates have beams
2.3 daemon crashes 700
2.5 kim enters
