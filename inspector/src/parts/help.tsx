/** What the keys do. */

const KEYS: [string[], string][] = [
  [["1", "2", "3", "4"], "Objects, Changes, Metrics, Node"],
  [["/"], "search"],
  [["↑", "↓"], "from row to row"],
  [["["], "one change earlier, on an object"],
  [["]"], "one change later"],
  [["Ctrl", "Enter"], "call, in a form"],
  [["p"], "pause the changes, or go on"],
  [["t"], "colours: as the system has them, light, dark"],
  [["Esc"], "leave a field, close a window"],
  [["?"], "this"],
];

export function Help({ dialog }: { dialog: { current: HTMLDialogElement | null } }) {
  return (
    <dialog ref={dialog} aria-labelledby="help-title" class="help">
      <h2 id="help-title">Keys</h2>
      <dl>
        {KEYS.map(([keys, does]) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p class="soft">Every view has a link: copy the address to show somebody what you see.</p>
      <div class="dialog-foot">
        <button type="button" autofocus onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}
