// Package mongo is the engine of the storage port on MongoDB: a replica set, which
// may have one node, or a sharded cluster, of version 5.0 or later.
//
// A document is stored under its key in a collection named like its Spec, with its
// version _v and, unless the collection is global, its workspace _w, with which
// every index begins. A batch is a transaction. Its first statement stores the
// batch's id: a repeated batch fails there, and that is its success. Conditions are
// part of the writes (the key and version to match), so that the server decides
// them; checks are writes as well, see newBatch. What the server calls transient is
// tried again within store.MaxTime. A commit is acknowledged by the journals of a
// majority, and reads see what a majority has, never before what this process has
// been told already. Changes come from a change stream; see token.go for what a
// token is.
//
// # What an operator does
//
// A single server becomes a replica set of one node with `mongod --replSet rs0` and
// `rs.initiate()` in mongosh, once. Tokens are promised for 72 hours, which is the
// oplog's to keep: db.adminCommand({replSetResizeOplog: 1, minRetentionHours: 72}).
// A backup reads at one time for as long as it takes; the server keeps that for five
// minutes unless minSnapshotHistoryWindowInSeconds says more.
//
// In a sharded cluster, shard the large collections on {_id: 1} before they are
// large: sh.shardCollection("headwater.events", {_id: 1}) and so on. Keys begin with
// the workspace, so that a workspace lies together and every read by key goes to one
// shard; unique values are keys, so that no unique index beside _id is needed. The
// collection _batches may stay whole or be sharded on a hashed _id. A batch whose
// documents lie on several shards is a distributed transaction.
//
// A check makes batches that name the same document wait for each other, as a write
// would; what every batch checks should change rarely and be checked rarely.
//
// # What has not met a real MongoDB
//
// The suite storetest runs in full against the server named by
// HEADWATER_TEST_MONGO_URI. Where none is at hand, the engine meets two stand-ins:
// FerretDB (wiretest) proves documents, conditions, queries, sorts, pages and counts
// against a server that takes them for what they are, and a scripted server
// (internal/scripted) asserts every command that is sent. Between the two remains
// what rests on MongoDB's documentation and source alone:
//
//   - that concurrent transactions collide as described: checks, placeholders of
//     absence, the same batch id twice at once, additions to one document;
//   - that the server uses the partial indexes with the hints given, merges the
//     branches of a page query without sorting, and counts within the index;
//   - that the operation time of a commit is the cluster time of its change events,
//     so that a commit's token is its last change's, and that the cluster time put
//     into the batch's document lies before it;
//   - that the stream's filter and projection on the server keep what they must, and
//     that resume tokens sort as text within a commit;
//   - snapshot sessions for backups, the expiry of batch ids, the oplog's window;
//   - failovers, and everything about sharded clusters. There several commits may have
//     one cluster time, and one commit several: a watch from the token of a commit
//     then tells once more of what that commit changed, rather than leave out what
//     another did. And a read of another process's commit is as fresh as the router's
//     knowledge of cluster time, for the port carries no causal token.
package mongo
