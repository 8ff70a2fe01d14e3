# A client that vanishes leaves no point behind, and the guest as it was.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$Z0,1000,1#..
<- $OK#..
-> $Z2,3000,8#..
<- $OK#..
-> $vCont;c#..
 = points 2
-> $m10
 . client 1 left
 = points 0
 = guest running
# nobody hears of this stop
 ! stopped vcpu=0 halt
2-> $QStartNoAckMode#..
2<- +$OK#..
2-> +$?#..
2<- /^\$T05.*thread:1;core:0;#..$/
2-> $Z0,1000,1#..
2<- $OK#..
 . client 2 left
 = points 0
 = guest stopped
# acks, threads and x start anew with a connection
3-> $?#..
3<- /^\+$/
3<- /^\$T05/
3-> +$vCont;c#..
3<- +
 = guest running
