# Noise between packets, broken packets, notifications.
-> \x00hello\xff#$qC#..
<- +$QC1#..
-> +$m10$qC#..
<- +$QC1#..
-> +$m1000,4#$qC#..
<- +$QC1#..
-> +%Stop:T05#..$qC#..
<- +$QC1#..
-> +$qC#..$qAttached#..
<- +$QC1#..
<- +$1#..
