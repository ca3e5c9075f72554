package view

import (
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

// ConnectorInstanceConnection is a page of connections.
type ConnectorInstanceConnection = Connection[sync.Connection]

// ConnectorInstanceEdge is an item of such a page.
type ConnectorInstanceEdge = Edge[sync.Connection]

// SyncConnection is a page of syncs.
type SyncConnection = Connection[sync.Sync]

// SyncEdge is an item of such a page.
type SyncEdge = Edge[sync.Sync]

// SyncRunConnection is a page of runs.
type SyncRunConnection = Connection[sync.Run]

// SyncRunEdge is an item of such a page.
type SyncRunEdge = Edge[sync.Run]

// DeadLetterConnection is a page of dead letters.
type DeadLetterConnection = Connection[sync.Dead]

// DeadLetterEdge is an item of such a page.
type DeadLetterEdge = Edge[sync.Dead]

// ConnectorProcessor is the company that gets the data, as a connector says it.
type ConnectorProcessor struct {
	Name, Country string
	Agreement     *string
}

// PreviewRow is what a field map makes of one record, as far as the caller may see it.
type PreviewRow struct {
	Direction sync.Direction
	Action    string
	From, To  scalar.JSON
	Withheld  []string
	Reason    *string
	Fault     *sync.Fault
}
