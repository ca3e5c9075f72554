package storetest_test

import (
	"testing"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/storetest"
)

// The model passes its own cases: what they ask for can be done.
func TestModel(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return storetest.NewModel() })
}

func TestModelEqualsItself(t *testing.T) {
	model := func(*testing.T) store.Store { return storetest.NewModel() }
	storetest.Equivalent(t, model, model)
}
