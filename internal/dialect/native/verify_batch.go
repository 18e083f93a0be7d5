package native

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"latchkey/internal/httpapi"
	"latchkey/internal/keys"
)

const (
	maxBatch     = 100     // requests
	maxBatchBody = 4 << 20 // bytes
)

// A batchBody is a [latchkey.VerifyBatchRequest] as it may be sent.
type batchBody struct {
	Requests []verifyBody `json:"requests" required:"true"`
}

// verifyBatch serves POST /verify/batch. What is wrong with one request is that
// request's answer, and the others have theirs.
func (d *Dialect) verifyBatch(w http.ResponseWriter, r *http.Request, c *httpapi.Call) error {
	if err := checkType(r); err != nil {
		return err
	}
	body, err := httpapi.ReadBody(r, maxBatchBody)
	if err != nil {
		return err
	}
	requests, faults, err := decodeBatch(body)
	if err != nil {
		return err
	}
	b := batch{d: d, call: c, until: time.Now().Add(awaitRevision)}
	b.out = append(make([]byte, 0, 512*len(requests)), `{"results":[`...)
	for i := range requests {
		if i > 0 {
			b.out = append(b.out, ',')
		}
		if err := b.answer(r.Context(), &requests[i], i, faults[i]); err != nil {
			return err
		}
	}
	httpapi.WriteBody(w, http.StatusOK, "application/json", append(b.out, "]}"...))
	return nil
}

// decodeBatch reads a batch, and what is wrong with which of its requests. An
// error is about the batch as a whole.
func decodeBatch(body []byte) ([]verifyBody, map[int]keys.Faults, error) {
	var in batchBody
	err := json.Unmarshal(body, &in, json.RejectUnknownMembers(true))
	if err != nil || in.doubtful(body) {
		in = batchBody{}
		err = httpapi.Decode(body, &in, httpapi.Decoding{})
	}
	known, err := memberFaults(err)
	if err != nil {
		return nil, nil, err
	}
	each := map[int]keys.Faults{} // number of the request → what is wrong with it
	var whole keys.Faults
	for _, f := range known {
		rest, _ := strings.CutPrefix(f.Field, "requests/")
		number, member, _ := strings.Cut(rest, "/")
		i, err := strconv.Atoi(number)
		if err != nil || i >= len(in.Requests) {
			whole = append(whole, f)
			continue
		}
		f.Field = member
		each[i] = append(each[i], f)
	}
	if n := len(in.Requests); n < 1 || n > maxBatch {
		whole.Merge(keys.Faults{{Field: "requests", Detail: "must be 1 to 100 requests"}})
	}
	return in.Requests, each, whole.Err()
}

func (b *batchBody) doubtful(body []byte) bool {
	if len(b.Requests) == 0 || len(b.Requests) > maxBatch || bytes.Contains(body, []byte("null")) || httpapi.MayHoldNUL(body) {
		return true
	}
	for i := range b.Requests {
		if v := &b.Requests[i]; v.Key == "" || v.doubtful(nil) {
			return true
		}
	}
	return false
}

// A batch is one that is being answered.
type batch struct {
	d     *Dialect
	call  *httpapi.Call
	until time.Time // how long all of it waits for revisions
	out   []byte
}

// answer answers one request of the batch.
func (b *batch) answer(ctx context.Context, wire *verifyBody, i int, faults keys.Faults) error {
	v, err := b.verify(ctx, wire, faults)
	if err == nil {
		b.call.Verified(v.Outcome)
		b.out = appendVerification(b.out, &v, b.call.Origin.RequestID)
		return nil
	}
	e := *keys.AsError(err)
	if e.Code == keys.Internal {
		return err // a fault of ours goes to the log, which one answer of many would not
	}
	e.Faults = nil
	for _, f := range keys.AsError(err).Faults {
		f.Field = strings.TrimSuffix("requests/"+strconv.Itoa(i)+"/"+f.Field, "/")
		e.Faults = append(e.Faults, f)
	}
	answer, err := json.Marshal(map[string]any{"error": problem(&e, b.call.Origin.RequestID)})
	b.out = append(b.out, answer...)
	return err
}

func (b *batch) verify(ctx context.Context, wire *verifyBody, faults keys.Faults) (keys.Verification, error) {
	var req keys.VerifyRequest
	wire.ask(&req, &faults)
	if err := faults.Err(); err != nil {
		return keys.Verification{}, err
	}
	if wire.MinRevision != nil {
		if err := b.d.await(ctx, *wire.MinRevision, b.until); err != nil {
			return keys.Verification{}, err
		}
	}
	return b.d.verifier.Verify(ctx, &b.call.Actor, &req)
}
