package mongo_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/scripted"
)

func TestDeclare(t *testing.T) {
	srv, s := start(t)
	srv.On("create people", scripted.Fail(48, "NamespaceExists"))
	require.NoError(t, s.Declare(t.Context(), people.Spec, pets.Spec, rooms.Spec))
	require.Equal(t, []string{"create", "createIndexes", "create", "create", "createIndexes"}, srv.Names())

	made := srv.Commands("createIndexes")
	require.Equal(t, `{"key":{"_w":1,"name":1,"age":-1,"_id":1},"name":"hw name -age",`+
		`"partialFilterExpression":{"name":{"$exists":true},"age":{"$exists":true}}}`, text(t, made[0], "indexes", "0"))
	require.Equal(t, `{"key":{"_w":1,"tags":1,"age":1,"_id":1},"name":"hw tags age",`+
		`"partialFilterExpression":{"tags":{"$exists":true},"age":{"$exists":true}}}`, text(t, made[0], "indexes", "1"))
	require.Equal(t, `{"key":{"name":1,"_id":1},"name":"hw name",`+
		`"partialFilterExpression":{"name":{"$exists":true}}}`, text(t, made[1], "indexes", "0"), "global")
}

func TestDeclareRefusesAnIndexThatDiffers(t *testing.T) {
	srv, s := start(t)
	srv.On("createIndexes", scripted.Fail(86, "IndexKeySpecsConflict"))
	err := s.Declare(t.Context(), people.Spec)
	require.Equal(t, "MONGO_INDEX", core.AsError(err).Reason)
	require.ErrorContains(t, err, "people")
}

func TestDeclareKeepsTheEnginesNames(t *testing.T) {
	_, s := start(t)
	for _, name := range []string{"", "_batches", "system.views"} {
		require.Error(t, s.Declare(t.Context(), &store.Spec{Name: name}))
	}
}
