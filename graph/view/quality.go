package view

import "github.com/headwater-cdp/headwater/core/quality"

// QualityResultEdge is what a rule said of a day, in a list.
type QualityResultEdge = Edge[quality.Result]

// QualityResultConnection is a page of what rules said.
type QualityResultConnection = Connection[quality.Result]
