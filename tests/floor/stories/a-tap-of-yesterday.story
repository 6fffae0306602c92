# A tap sent again after a day was decided a second time.
3.2 bob taps in
11.8 night passes
23.3 bob taps again
