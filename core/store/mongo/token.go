package mongo

import (
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// A token is the cluster time of a commit as 16 hex digits, then
//
//	.RESUME  after one change inside the commit (RESUME is the hex text of the
//	         server's resume token, which sorts like the stream does), or
//	~        after the whole commit.
//
// '.' sorts before every hex digit and '~' after, so that tokens compare as text
// in the order of the stream: the changes of one commit in their order, the
// commit's own token last (it is the token of its last change), then the next
// commit's. A watch never hands a resume token back to the server, which may
// refuse one that was made with another filter: it starts at the cluster time and
// skips what is not after the token.
//
// In a sharded cluster commits of different shards may have one cluster time. There
// the token of a commit cannot promise that everything at its time was before it: a
// watch from it begins with that time, and changes are told with RESUME only.

// after returns the token that lies behind everything committed at ts.
func after(ts bson.Timestamp) store.Token {
	return store.Token(fmt.Sprintf("%08x%08x~", ts.T, ts.I))
}

// inside returns the token of one change committed at ts.
func inside(ts bson.Timestamp, resume string) store.Token {
	return store.Token(fmt.Sprintf("%08x%08x.%s", ts.T, ts.I, resume))
}

// clusterTime returns the cluster time of a token.
func clusterTime(t store.Token) (bson.Timestamp, error) {
	if len(t) < 17 || (t[16] != '.' && t[16] != '~') || (t[16] == '~' && len(t) > 17) {
		return bson.Timestamp{}, store.ErrBadCursor
	}
	n, err := strconv.ParseUint(string(t[:16]), 16, 64)
	if err != nil {
		return bson.Timestamp{}, store.ErrBadCursor
	}
	return bson.Timestamp{T: uint32(n >> 32), I: uint32(n)}, nil
}

// before returns the text that sorts before everything at a token's cluster time.
func before(t store.Token) store.Token { return t[:16] }
