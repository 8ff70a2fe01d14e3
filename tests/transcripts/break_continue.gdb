# `break`, `continue`, the hit; gdb takes its points out at every stop and puts them back.
-> $qSupported:multiprocess+;swbreak+;hwbreak+#..
<- /^\+$/
<- /PacketSize=20000/
-> +$QStartNoAckMode#..
<- +$OK#..
-> +$Z0,1004,1#..
<- $OK#..
 = points 1
-> $vCont?#..
<- $vCont;c;C;s;S;t;r#..
-> $vCont;c:p1.-1#..
 = guest running
 = motions run run
 ! stopped epoch=1 vcpu=0 software=0x1004
<- $T0503:0000000000000000;04:0000000000000000;05:0410000000000000;06:00000000;thread:p1.1;core:0;swbreak:;#..
-> $z0,1004,1#..
<- $OK#..
 = points 0
-> $m1000,8#..
<- $0001020304050607#..
# a hardware point, hit on the other vCPU
-> $Z1,1008,1#..
<- $OK#..
-> $vCont;c:p1.-1#..
 ! stopped epoch=2 vcpu=1 hardware=0x1008
<- $T0503:0000000000000000;04:0000000000000000;05:0810000000000000;06:00000000;thread:p1.2;core:1;hwbreak:;#..
-> $p5#..
<- $0810000000000000#..
-> $Hgp1.1#..
<- $OK#..
-> $p5#..
<- $0410000000000000#..
-> $z1,1008,1#..
<- $OK#..
