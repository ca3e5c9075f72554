// Package store is the port to the database: what the domain may ask of MongoDB
// and of the embedded engine, and no more.
//
// The idea: a write is one batch of conditional operations, applied all or
// nothing; reads happen before it, outside any lock. Whoever loses a race gets
// ErrConflict, re-reads, recomputes and tries again. A batch has an id, so that
// repeating it after a lost reply does nothing twice. That is enough for every
// rule of the product, and it is the same on one SQLite file and on a sharded
// cluster.
//
// A package declares its collections as values (Declare) with the indexes that it
// queries by; a query that no declared index serves is refused with an error that
// names the index to add. Documents are BSON with _id and a version _v. Keys begin
// with the workspace and a slash, so that tenants cannot meet; Key makes them.
//
// What an engine must do stands at the methods of Store; storetest holds a case
// for every "must".
package store
