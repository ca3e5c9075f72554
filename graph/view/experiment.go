package view

import "github.com/headwater-cdp/headwater/core/insight/experiment"

// ExperimentConnection is a page of experiments.
type ExperimentConnection = Connection[experiment.Experiment]

// ExperimentEdge is an item of such a page.
type ExperimentEdge = Edge[experiment.Experiment]
