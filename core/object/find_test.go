package object_test

import (
	"testing"

	"github.com/headwater-cdp/headwater/core/object/objecttest"
)

func TestFindAgreesWithTheEvaluator(t *testing.T) {
	every := 1
	if testing.Short() {
		every = 60
	}
	objecttest.FindAgreesWithEvaluator(t, openStore(t), every)
}
