package view

import "github.com/headwater-cdp/headwater/core/insight/budget"

// AlertEdge is an alert in a list.
type AlertEdge = Edge[budget.Alert]

// AlertConnection is a page of alerts.
type AlertConnection = Connection[budget.Alert]
