# QEMU's physical mode, for this client alone; physical memory can be read while the guest runs.
-> $QStartNoAckMode#..
<- +$OK#..
2-> $QStartNoAckMode#..
2<- +$OK#..
-> +$qqemu.PhyMemMode#..
<- $0#..
-> $Qqemu.PhyMemMode:1#..
<- $OK#..
-> $qqemu.PhyMemMode#..
<- $1#..
2-> +$qqemu.PhyMemMode#..
2<- $0#..
2-> $vCont;c#..
-> $m1000,2#..
<- $0001#..
2-> $m1000,2#..
2<- $E10#..
