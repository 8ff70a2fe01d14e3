# A client without run control detaches: its points go, the guest stays as its driver wants it.
-> $vCont;c#..
<- +
2-> $?#..
2<- +
 ! stopped vcpu=0 interrupt by=2
<- /T02/
2<- /T02/
2-> +$Z0,1000,1#..
2<- +$OK#..
2-> +$D#..
2<- +$OK#..
 = points 0
 = guest stopped
-> +$vCont;c#..
<- +
 = guest running
