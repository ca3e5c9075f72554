package sqlite

import (
	"sync"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	lib "modernc.org/sqlite/lib"
)

// Every commit makes readers drop their pages and every read takes new ones. Out of
// the general allocator that costs a fifth of the time of the hot path, and a page
// of 4 KB takes 8 KB there; so the pages of all connections of the process come out
// of one block. It has room for the caches of one writer and of the readers around
// it, those that read ahead too; what is beyond comes from the allocator, as without the block.
const (
	pageSlots = 23_000
	slotBytes = 4096 + 512 // a page and what SQLite keeps beside it
)

// reservePages must run before the first connection of the process is opened.
// Where somebody else opened one before, SQLite refuses and goes on as it was.
var reservePages = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	defer tls.Close()
	block := libc.Xmalloc(tls, pageSlots*slotBytes)
	if block == 0 {
		return
	}
	args := libc.NewVaList(block, int32(slotBytes), int32(pageSlots))
	defer libc.Xfree(tls, args)
	if lib.Xsqlite3_config(tls, lib.SQLITE_CONFIG_PAGECACHE, args) != lib.SQLITE_OK {
		libc.Xfree(tls, block)
	}
	keepRegions(tls)
})

// keepRegions holds one piece of each size for ever. The general allocator cuts
// regions of 64 KB into pieces of one size, up to 16 KB, and gives a region back to
// the system with its last piece. SQLite takes a piece of a few KB for a moment each
// time that it shares a full page of a tree out among its neighbours, which costs
// four system calls when no other piece of that size is in use.
func keepRegions(tls *libc.TLS) {
	const largest = 16 << 10
	for size := 16; size <= largest; size *= 2 {
		libc.Xmalloc(tls, types.Size_t(size))
	}
}
