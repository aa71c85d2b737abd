// What the pages' scripts work with: answers of the pages' own addresses, which the API's document does not describe, and
// what a page has before its scripts run. `Api` is made from that document, `Word` and `Elements` from the page (made/).

/** An answer of the API; of one that is not ok the body is a problem. */
interface Answer<T> {
  ok: boolean;
  status: number;
  body: T & Partial<Api.Problem & { reason: string; order: string }>;
}
type BodyOf<P> = P extends keyof Bodies ? Bodies[P]
  : P extends `/ops/flow/${string}` ? Flow
  : P extends `/ops/orders?${string}` ? OrderRows
  : P extends `/orders/${string}/life` ? Life
  : P extends `/reports/due?${string}` ? DueReports
  : P extends `/reports/around/${string}` ? Around
  : P extends `/review/calls/${string}` ? Heard
  : P extends `/v1/reviews/coverage?${string}` ? Api.CoverageView
  : P extends `/v1/reviews/pressure?${string}` ? Api.PressureView
  : P extends `/v1/reviews?${string}` ? Api.CallList
  : P extends `/v1/calls/${string}` ? Api.CallView
  : P extends `/v1/orders/${string}` ? Api.OrderView
  : any;
interface Bodies {
  "/desk/mine": { orders: Mine[]; since: string; cut: boolean; day: Workday } & AsOf;
  "/desk/open": { orders: OpenOrder[] };
  "/ops/board": Board;
  "/ops/find": OrderRows;
  "/ops/held": HeldGroups;
  "/v1/calls": Api.CallView;
  "/v1/orders": Api.OrderView;
  "/v1/permits": Api.PermitsView;
  "/v1/plans": Api.PlanList;
  "/v1/refusals/held": Api.DecidedView;
  "/v1/stuck/cancel": Api.CancelledView;
  "/v1/stuck/retry": Api.RetriedView;
}

interface Page {
  role: string;
  csrf: string;
  lifecycle: Record<Lifecycle, string[]>;
  resend_max: number;
  carriers: Record<string, { called: string; outbound: string; hotline: string }>;
  agent: string;
  life: Life;
  others: string[];
  figures: string[];
}
interface AsOf { as_of?: string | null }
interface Line { key: string; text: string; hampers: string; paused: string | null }
type Hears = Record<string, (told: any) => void>;
type Child = Node | string | null;
type Fact = [string, any] | [string, any, string];

interface Board extends AsOf {
  at: string;
  since: string;
  funnel: Record<string, number> | null;
  day_before: Record<string, number>;
  lanes: { lane: string; due: number; late_ms: number; waiting: number; parked: number }[];
  workers: WorkerRow[];
  defects: Record<string, number>;
  outside: { to: string; name: string; last_success: string | null; failed_share: number; failing_ms: number; refusing: boolean; down: boolean; rate: number | null; most: number; may: string[]; has: string[] }[];
  paused: Api.PauseRow[];
  retrying: { to: "bss" | "gateway"; name: string; reason: string; count: number; more: boolean; since: string; recovered: boolean }[];
  dead: Api.UndeliverableRow[];
  unshown: { plan: string; channel: string; why: string; since: string; sold_until: string | null }[];
  more_unshown: number;
  causes: Api.CauseRow[];
  more_causes: boolean;
  stuck: Stuck[];
  more_stuck: boolean;
}
interface WorkerRow { name: string; lanes: string[]; in_flight: number; troubles: number }
interface Stuck { owner: "l" | "c" | "e" | "r" | "o"; id: string; order: string; effect: string; lane: string; state: string; attempts: number; why: string }
interface Series { to: string; name: string; calls: number[]; failed: number[]; p95: (number | null)[]; all_p50: number | null; all_p95: number | null }
interface Flow { since: string; step_ms: number; series: Series[] }
interface HeldGroup { group: string; text: string; reason: string; until: string; ids: string[]; count: number; over?: boolean; overAt?: number }
interface HeldGroups extends AsOf { groups: HeldGroup[]; more: number; count: number; cut: boolean }
interface OrderRow { id: string; created_at: string; state: string; msisdn: string; plan: string; agent: string }
interface OrderRows extends AsOf { orders: OrderRow[]; cursor: string }

interface Workday {
  agent: string;
  in_call: number;
  calls: number;
  permits: number;
  placed: number;
  confirmed: number;
  refused: number;
  held: number;
  failed: number;
  wrong_rate: number;
  presses: boolean;
}
interface TeamBoard extends AsOf { agents: Workday[] }
interface Mine { id: string; created_at: string; plan: string; msisdn: string; state: string }
interface OpenOrder { plan: string; name: string; order: string }
interface Stamp { id: string; at: string }
interface ScriptLine { id: string; text: string; labelled?: boolean }
/** A call of /desk, kept until it has ended. id: once it was made known */
interface DeskCall {
  key: string;
  body: { from: string; to: string; carrier: string; agent: string; started_at: string; permit?: string };
  stamps: Stamp[];
  violations: string[];
  plan: string;
  id?: string;
  order?: string;
  refused?: boolean;
  sha256?: string;
  ended?: string;
}
interface Bar { kind: string; until: string | null }
interface Waits { effect: string; purpose: string; parked: boolean; in_hand: boolean; at: string | null; attempts: number; why: string }
interface LineSms { at: string; sms: Api.SmsView; waits: boolean; stuck: boolean }
/** What stands beside an order. */
interface Beside { barred: Bar[]; ending: Api.EndingView | null; line_sms: LineSms[]; waiting: Waits[] }
interface Life extends Beside {
  order: Api.OrderView;
  call: Api.CallView | null;
  permit: { request: string; until: string } | null;
  related: { id: string; plan: string; state: string }[];
  complaints: { at: string; number: string; found: string; decided_at: string | null; by: string }[] | null;
}
interface Bubble { ours: boolean; text: string; at: string; who: string; more: string[]; soon?: boolean; erased?: boolean; hidden?: boolean }
interface Row { at: string; name: Word; kind: string; facts: Told[] }
type Told = Child[];

interface DueReports extends AsOf { reports: Api.ReportView[]; open: number; overdue: number }
interface Around {
  report: Api.ReportView;
  would: { class: string; reward: string | null; sms: { text: string; segments: number } }[];
  official: boolean;
  language: "zh" | "en";
  silent: boolean;
  written: { text: string; at: string; segments: number; stuck: boolean; waits: boolean }[];
  calls: (Omit<Api.CallView, "permit"> & { meant: boolean; permit: "ours" | "not_ours" | "none"; permit_since: string; permit_until: string })[] | null;
  standing: { kind: string; carrier: string; plan: string; since: string; until: string | null; by_this: boolean; stood: boolean }[];
}
interface Sold { name: string; plan: string; version: number; state: string; text: string; agent: string; reads: Record<string, Record<string, string>> }
interface Transcript { edition: number; spoken: Record<string, string>; phrases: { at: string; phrase: string }[]; lines: { at: string; by: string; text: string }[] }
interface Heard { call: Api.CallView; own: boolean; same: boolean; recording: string; sold: Sold[]; transcript: Transcript | null; altered: boolean }
type Done = (reason: string) => Promise<string>;
type Instant = "started" | "agreed";
type Blamed = { field: HTMLInputElement; text: string };
interface Desk { call: DeskCall | null; permit: string; order: Api.OrderView | null; lines: ScriptLine[]; stamps: Stamp[] }
type Shown = "due" | "rewards" | "decided";
type Queue = "pending" | "contested";
interface Verdict { verdict?: "pass" | "fail"; uphold?: boolean; reasons?: string[]; note?: string; heard?: number; unplayed?: boolean }
interface Given { id: string; ref: string; path: string; body: Verdict; timer: number }
/** Reads a piece of a list. */
type Ask = (cursor: string, limit: number, isWaitedFor: boolean) => Promise<Answer<any>>;
type RowsOf = (body: any) => any[];
type Show = (answer: Answer<any>, rows: any[], cursor: string) => void;

interface Phone { number: string; messages: { at: number; own: boolean; other: string; text: string }[] }
interface PhoneOrder { id: string; plan: string; state: string; over: string; waits: string; answers: string[]; steps: { at: string; what: string; moved: boolean }[] }
interface PhoneLife { orders: PhoneOrder[]; pages: string }
