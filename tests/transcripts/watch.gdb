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
