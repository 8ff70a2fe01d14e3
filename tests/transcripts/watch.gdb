# Watchpoints of each kind; the address is the one that was touched.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$Z2,3000,4#..
<- $OK#..
-> $vCont;c#..
 ! stopped vcpu=0 write=0x3000+4@0x3001
<- /^\$T05.*;watch:3001;#..$/
-> $z2,3000,4#..
<- $OK#..
-> $Z3,3000,8#..
<- $OK#..
-> $vCont;c#..
 ! stopped vcpu=0 read=0x3000+8@0x3000
<- /^\$T05.*;rwatch:3000;#..$/
-> $Z4,3000,1#..
<- $OK#..
 = points 2
-> $vCont;c#..
 ! stopped vcpu=0 access=0x3000+1@0x3000
<- /^\$T05.*;awatch:3000;#..$/
 = fail no_free_slot cannot insert write watch: 4 of 4 slots used
-> $Z2,3010,4#..
<- $E1c#..
-> $Z2,3010,0#..
<- $E16#..
-> $z2,3010,4#..
<- $E16#..
 = points 2
# one store, two watches: the second is told when the client goes on, without the guest moving
-> $z3,3000,8#..
<- $OK#..
-> $z4,3000,1#..
<- $OK#..
-> $Z2,3000,4#..
<- $OK#..
-> $Z2,3004,4#..
<- $OK#..
-> $vCont;c#..
 ! stopped vcpu=0 write=0x3000+4@0x3000 write=0x3004+4@0x3004
<- /^\$T05.*;watch:3000;#..$/
-> $vCont;c#..
<- /^\$T05.*;watch:3004;#..$/
 = guest stopped
-> $vCont;c#..
 = guest running
 ! stopped vcpu=0 write=0x3000+4@0x3000 write=0x3004+4@0x3004
<- /^\$T05.*;watch:3000;#..$/
# a watch that has been taken out meanwhile is told no more
-> $z2,3004,4#..
<- $OK#..
-> $vCont;c#..
 = guest running
