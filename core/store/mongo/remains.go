package mongo

import "github.com/headwater-cdp/headwater/core/store"

var _ store.Remainer = (*Store)(nil)

// Remains implements store.Remainer. The server overwrites what it deleted in its own
// time; the oplog holds each document as it was written until it has rolled over.
func (s *Store) Remains() []store.Remains {
	return []store.Remains{{
		Where: "MongoDB oplog", For: store.Retention,
		What: "documents as they were written, until the oplog has rolled over; rs.printReplicationInfo() tells how long it reaches back",
	}, {
		Where: "MongoDB data files", For: store.Retention,
		What: "pages of deleted documents until the storage engine writes over them; the compact command does it at once",
	}}
}
