# `k` has no answer, `vKill` has; a machine is left running by both.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$Z0,1000,1#..
<- $OK#..
-> $vKill;2#..
<- $E03#..
-> $k#..
 = points 0
 = guest running
 . client 1 left
2-> $QStartNoAckMode#..
2<- +$OK#..
2-> +$?#..
 ! stopped vcpu=0 interrupt by=2
2<- /T02/
2-> $Z0,1000,1#..
2<- $OK#..
2-> $vKill;1#..
2<- $OK#..
 = points 0
 = guest running
