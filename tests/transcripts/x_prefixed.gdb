# x as gdb 16 and LLDB 20 read it: data after a 'b'.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$x1000,4#..
<- $b\x00\x01\x02\x03#..
-> $x1000,0#..
<- $b#..
# what the wire gives a meaning comes escaped
-> $x1023,2#..
<- $b}\x03}\x04#..
-> $x102a,1#..
<- $b}\x0a#..
# up to the hole, and the hole
-> $x1ffe,10#..
<- $b\xfe\xff#..
-> $x2000,10#..
<- $E14#..
-> $X1000,0:#..
<- $OK#..
-> $X1000,5:}\x03}\x04}]}\x0a\x03#..
<- $OK#..
-> $m1000,6#..
<- $23247d2a0305#..
-> $X1ffe,3:abc#..
<- $E14#..
-> $m1ffe,2#..
<- $feff#..
