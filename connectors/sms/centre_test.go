package sms_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/connectors/sms"
	"github.com/headwater-cdp/headwater/connectors/sms/smpp"
	"github.com/headwater-cdp/headwater/connectors/sms/smpp/smpptest"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func connectCentre(t *testing.T, more ...any) (sdk.Connection, *smpptest.Centre) {
	centre, err := smpptest.Start()
	require.NoError(t, err)
	t.Cleanup(centre.Close)
	config := object{
		"provider": "smpp", "from": "Shop", "smppAddress": centre.Address(), "smppTls": false,
		"smppSystemId": smpptest.SystemID, "smppPassword": smpptest.Password,
	}
	for i := 0; i < len(more); i += 2 {
		config[more[i].(string)] = more[i+1]
	}
	conn, err := open(t, config)
	require.NoError(t, err)
	return conn, centre
}

func TestACentreSendsAndReports(t *testing.T) {
	conn, centre := connectCentre(t)
	require.NoError(t, conn.Check(t.Context()))
	sent, err := conn.(sdk.Sender).Send(t.Context(), sdk.Message{Channel: "SMS", To: phone, Text: strings.Repeat("ж", 100)})
	require.NoError(t, err)
	assert.Equal(t, []any{"m-1,m-2", 2, sdk.DeliveryQueued}, []any{sent.ID, sent.Segments, sent.State})
	status := func() sdk.Delivery {
		t.Helper()
		d, err := conn.(sdk.StatusReader).Status(t.Context(), sdk.StatusQuery{ID: sent.ID})
		require.NoError(t, err)
		return d
	}
	assert.Equal(t, sdk.DeliveryDelivered, status().State, "no receipt yet: the centre was asked")
	_, err = centre.Report("m-1", smpp.Delivered, "000")
	require.NoError(t, err)
	_, err = centre.Report("m-2", smpp.Undeliverable, "011")
	require.NoError(t, err)
	assert.Equal(t, sdk.DeliveryFailed, status().State, "one part is missing")
	assert.Contains(t, status().Reason, "011")
}

func TestFaultsOfACentreAreTyped(t *testing.T) {
	conn, centre := connectCentre(t)
	send := func(text string) *sdk.Fault {
		_, err := conn.(sdk.Sender).Send(t.Context(), sdk.Message{Channel: "SMS", To: phone, Text: text})
		return sdk.AsFault(err)
	}
	for status, want := range map[uint32][]any{
		smpp.InvalidDest: {sdk.FaultInvalidRecord, "BAD_NUMBER"}, smpp.InvalidSource: {sdk.FaultInvalidConfig, "BAD_SENDER"},
		smpp.SubmitFailed: {sdk.FaultInvalidRecord, "REJECTED"}, 0x08: {sdk.FaultRetry, "VENDOR_ERROR"}, smpptest.Hangup: {sdk.FaultUnknownOutcome, "NO_ANSWER"},
	} {
		require.Eventually(t, func() bool { return conn.Check(t.Context()) == nil }, 10*time.Second, time.Millisecond)
		centre.Answer(status)
		fault := send("x")
		require.NotNil(t, fault)
		assert.Equal(t, want, []any{fault.Kind, fault.Reason})
		assert.NotContains(t, fault.Message, phone)
	}
	require.Eventually(t, func() bool { return conn.Check(t.Context()) == nil }, 10*time.Second, time.Millisecond)
	centre.Answer(smpp.StatusOK, smpp.SubmitFailed)
	assert.Equal(t, "PARTLY_SENT", send(strings.Repeat("a", 200)).Reason)
	centre.Answer(smpp.Throttled, smpp.Throttled, smpp.Throttled, smpp.Throttled)
	fault := send("x")
	assert.Equal(t, []any{sdk.FaultRetry, "RATE_LIMITED"}, []any{fault.Kind, fault.Reason})
	assert.Positive(t, fault.After)

	wrong, _ := connectCentre(t, "smppPassword", "wrong")
	assert.Equal(t, sdk.FaultUnauthorized, sdk.AsFault(wrong.Check(t.Context())).Kind)
	gone, centre := connectCentre(t)
	centre.Close()
	require.Eventually(t, func() bool { return sdk.AsFault(gone.Check(t.Context())) != nil }, 5*time.Second, time.Millisecond)
}

// Over the wire, where a page that was sent is not a page that was kept: the centre hears when
// the host is done with it.
func TestTheCentreWaitsForTheHost(t *testing.T) {
	centre, err := smpptest.Start()
	require.NoError(t, err)
	t.Cleanup(centre.Close)
	remote, stop, err := sdk.InProcess(sms.Connector{}, slog.DiscardHandler)
	require.NoError(t, err)
	t.Cleanup(stop)
	raw, err := json.Marshal(object{
		"provider": "smpp", "from": "Shop", "smppAddress": centre.Address(), "smppTls": false, "smppSystemId": smpptest.SystemID, "smppPassword": smpptest.Password,
	})
	require.NoError(t, err)
	c, err := remote.Open(t.Context(), raw, nil)
	require.NoError(t, err)
	require.NoError(t, c.Check(t.Context()))
	for _, kept := range []bool{false, true} {
		status := make(chan uint32, 1)
		go func() {
			got, _ := centre.Deliver(smpp.Message{Source: phone[1:], Dest: "12345", Short: []byte("hello")})
			status <- got
		}()
		full, saw := errors.New("disk full"), 0
		err := c.Pull(t.Context(), sdk.PullRequest{Stream: "inbound"}, func(p sdk.Page) error {
			saw += len(p.Inbound)
			time.Sleep(100 * time.Millisecond)
			require.Empty(t, status, "not before the host has it")
			if !kept {
				return full
			}
			return nil
		})
		require.Equal(t, 1, saw)
		if kept {
			require.NoError(t, err)
			require.Equal(t, smpp.StatusOK, <-status)
		} else {
			require.ErrorIs(t, err, full)
			require.Equal(t, smpp.TemporaryError, <-status)
		}
	}
	require.NoError(t, c.Close())
}

func TestTextsAreAnsweredWhenTheHostHasThem(t *testing.T) {
	conn, centre := connectCentre(t)
	require.NoError(t, conn.Check(t.Context()))
	statuses := make(chan uint32, 2)
	deliver := func() {
		status, err := centre.Deliver(smpp.Message{Source: phone[1:], Dest: "12345", Short: []byte("Stop")})
		if err == nil {
			statuses <- status
		}
	}
	pull := func(keep error) (events []sdk.Event, err error) {
		err = conn.(sdk.Puller).Pull(t.Context(), sdk.PullRequest{Stream: "inbound"}, func(p sdk.Page) error {
			events = append(events, p.Events...)
			if keep == nil {
				require.Equal(t, "STOP reply", p.Consents[0].Source)
				require.Equal(t, sdk.ReasonStopWord, p.Consents[0].Reason)
				require.Equal(t, []string{"SMS", phone, "12345", "Stop"}, []string{p.Inbound[0].Channel, p.Inbound[0].From, p.Inbound[0].To, p.Inbound[0].Text})
				require.Empty(t, statuses, "it is not on the host's disk yet")
				require.NoError(t, conn.(sdk.Keeper).Kept(t.Context(), "inbound", p.Cursor))
			}
			return keep
		})
		return events, err
	}
	go deliver()
	full := errors.New("disk full")
	lost, err := pull(full)
	require.ErrorIs(t, err, full)
	assert.Equal(t, smpp.TemporaryError, <-statuses, "the centre sends it again")
	go deliver()
	events, err := pull(nil)
	require.NoError(t, err)
	assert.Equal(t, smpp.StatusOK, <-statuses)
	require.Len(t, events, 1)
	assert.Equal(t, phone, events[0].Identifiers["phone"])
	assert.Equal(t, []any{"Stop", "STOP"}, []any{events[0].Properties["text"], events[0].Properties["keyword"]})
	require.Len(t, lost, 1)

	// Of a page that the host does not keep it hears no more: the next pull begins with that.
	go deliver()
	err = conn.(sdk.Puller).Pull(t.Context(), sdk.PullRequest{Stream: "inbound"}, func(sdk.Page) error { return nil })
	require.NoError(t, err)
	_, err = pull(nil)
	require.NoError(t, err)
	assert.Equal(t, smpp.TemporaryError, <-statuses)

	// While somebody pulls, receipts wait for the host too.
	go func() {
		status, _ := centre.Report("m-7", smpp.Undeliverable, "011")
		statuses <- status
	}()
	var told []sdk.Delivery
	err = conn.(sdk.Puller).Pull(t.Context(), sdk.PullRequest{Stream: "inbound"}, func(p sdk.Page) error {
		told = append(told, p.Deliveries...)
		return conn.(sdk.Keeper).Kept(t.Context(), "inbound", p.Cursor)
	})
	require.NoError(t, err)
	assert.Equal(t, smpp.StatusOK, <-statuses)
	require.Len(t, told, 1)
	assert.Equal(t, []any{"m-7", sdk.DeliveryFailed, "network error 011"}, []any{told[0].ID, told[0].State, told[0].Reason})

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = conn.(sdk.Puller).Pull(ctx, sdk.PullRequest{Stream: "inbound"}, nil)
	require.ErrorIs(t, err, context.Canceled)
}
