package view

import "github.com/headwater-cdp/headwater/core/insight"

// MetricDefinitionConnection is a page of metrics.
type MetricDefinitionConnection = Connection[insight.Metric]

// MetricDefinitionEdge is an item of such a page.
type MetricDefinitionEdge = Edge[insight.Metric]
