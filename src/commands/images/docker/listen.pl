# perl listen.pl PORT SOCKET PROGRAM [ARGUMENT...]: listens on a TCP port and a Unix socket, then becomes the program, which finds both
# as file descriptors 3 and 4 (systemd's socket activation protocol, sd_listen_fds(3)).
use strict;
use warnings;
use Fcntl qw(F_DUPFD);
use POSIX ();
use Socket;

my ($port, $path, @command) = @ARGV;

socket(my $tcp, PF_INET, SOCK_STREAM, 0) or die "listen: tcp: $!\n";
setsockopt($tcp, SOL_SOCKET, SO_REUSEADDR, 1);
bind($tcp, sockaddr_in($port, INADDR_ANY)) or die "listen: port $port: $!\n";
listen($tcp, 128) or die "listen: port $port: $!\n";

unlink $path;
socket(my $unix, PF_UNIX, SOCK_STREAM, 0) or die "listen: unix: $!\n";
bind($unix, sockaddr_un($path)) or die "listen: $path: $!\n";
listen($unix, 128) or die "listen: $path: $!\n";
chmod 0660, $path;

# Copies high up first, so that neither descriptor is overwritten while it is still needed; dup2 leaves them open across exec.
my @copies = map { fcntl($_, F_DUPFD, 10) } ($tcp, $unix);
for my $index (0 .. 1) {
  POSIX::dup2($copies[$index], 3 + $index) or die "listen: dup2: $!\n";
  POSIX::close($copies[$index]);
}
$ENV{LISTEN_FDS} = 2;
$ENV{LISTEN_PID} = $$;
exec { $command[0] } @command or die "listen: $command[0]: $!\n";
