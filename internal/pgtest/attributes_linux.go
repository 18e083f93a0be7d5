package pgtest

import "syscall"

// attributes let a server end with this program even if that is killed, by
// PostgreSQL's immediate shutdown, and keep from it a Ctrl-C that is for us.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
}
