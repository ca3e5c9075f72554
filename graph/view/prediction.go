package view

import "github.com/headwater-cdp/headwater/core/predict"

// PredictionModelConnection is a page of models.
type PredictionModelConnection = Connection[predict.Model]

// PredictionModelEdge is an item of such a page.
type PredictionModelEdge = Edge[predict.Model]

// RebuyIntervalConnection is a page of re-buy intervals.
type RebuyIntervalConnection = Connection[predict.Product]

// RebuyIntervalEdge is an item of such a page.
type RebuyIntervalEdge = Edge[predict.Product]
