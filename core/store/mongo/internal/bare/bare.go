// Package bare holds the permit to run the MongoDB engine on a server without
// transactions. It is internal so that only tests beneath core/store/mongo can
// name it: no flag, no configuration and no other package reaches that mode.
package bare

// Permit says what the server under test lacks beside transactions.
type Permit struct {
	// PlainIndexes declares indexes without a partial filter and without expiry.
	PlainIndexes bool
}
