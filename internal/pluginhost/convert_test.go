package pluginhost

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/internal/pluginhost/install"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// No field is lost between the SDK and the port: a value with every field set is converted,
// and every field of what comes out is set.
func TestNothingIsLost(t *testing.T) {
	converts(t, func(s sdk.Spec) sync.Connector {
		return connectorOf(&s, install.Entry{Binary: "x", Signer: "x"})
	}, "MemoryMiB")
	converts(t, streamOf)
	converts(t, pageOf)
	converts(t, batchTo)
	converts(t, changeTo)
	converts(t, resultOf)
	converts(t, listResultOf)
	converts(t, sentOf)
	converts(t, deliveryOf)
	converts(t, receivedOf)
	converts(t, storedTo)
	converts(t, storedOf)
	converts(t, rateOf)
	converts(t, func(f sdk.Fault) sync.Fault { return *fromSDK(&f) })
}

// converts checks f; without names fields that only the input has.
func converts[A, B any](t *testing.T, f func(A) B, without ...string) {
	t.Helper()
	var in A
	set(reflect.ValueOf(&in).Elem())
	out := f(in)
	name := fmt.Sprintf("%T", in)
	full(t, name, reflect.ValueOf(out))
	require.Equal(t, fields(reflect.TypeOf(in))-len(without), fields(reflect.TypeOf(out))-extra(out), "%s has a field that %T lacks", name, out)
}

// extra is how many fields a type of the port has by itself.
func extra(v any) int {
	if _, ok := v.(sync.Connector); ok {
		return 3 // Protocol, SHA256, SignedBy
	}
	return 0
}

func fields(t reflect.Type) int {
	n := 0
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case !f.IsExported():
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[time.Time]():
			n += fields(f.Type)
		default:
			n++
		}
	}
	return n
}

func set(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		switch v.Type() {
		case reflect.TypeFor[sdk.FaultKind]():
			v.SetString(string(sdk.FaultRetry))
		case reflect.TypeFor[sdk.Origin]():
			v.SetString(string(sdk.FromVendor))
		default:
			v.SetString("x")
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Interface:
		v.Set(reflect.ValueOf("x"))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		set(key)
		set(value)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				set(v.Field(i))
			}
		}
	default:
		panic(v.Kind())
	}
}

func full(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		require.False(t, v.IsNil(), path)
		full(t, path, v.Elem())
	case reflect.Slice:
		require.Equal(t, 1, v.Len(), path)
		full(t, path, v.Index(0))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			require.False(t, v.IsZero(), path)
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				full(t, path+"."+f.Name, v.Field(i))
			}
		}
	default:
		require.False(t, v.IsZero(), path)
	}
}
