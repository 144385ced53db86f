// @ts-check
// The page around a classifier: files that are chosen, dropped or pasted, and the camera.
import { loadClassifier } from './classify.js';

/** @typedef {import('./classify.js').Answer} Answer */

/** Code that does the same elsewhere. */
const code = `<input id="file" type="file" accept="image/*" />
<p id="answer" role="status">Loading ...</p>
<script type="module">
  import { loadClassifier } from './classify.js';

  const answer = document.getElementById('answer');
  const classifier = await loadClassifier('./');
  answer.textContent = \`Ready (\${classifier.device}). Choose an image.\`;

  document.getElementById('file').onchange = async ({ target }) => {
    try {
      const { predictions, milliseconds } = await classifier.classify(target.files[0], { topk: 3 });
      answer.textContent = predictions
        .map(({ label, score }) => \`\${label} \${(100 * score).toFixed(1)}%\`)
        .join(', ') + \` (\${milliseconds.toFixed(0)} ms)\`;
    } catch (error) {
      answer.textContent = error.message;
    }
  };
</script>
`;

const element = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const [status, drop, results] = [element('status'), element('drop'), element('results')];
const files = /** @type {HTMLInputElement} */ (element('files'));
const camera = /** @type {HTMLButtonElement} */ (element('camera'));
const video = /** @type {HTMLVideoElement} */ (element('video'));

element('code').textContent = code;
element('copy').addEventListener('click', () => {
  navigator.clipboard.writeText(code).then(
    () => (status.textContent = 'Copied.'),
    () => (status.textContent = 'The browser does not allow copying: select the code instead.'),
  );
});

// From the beginning: a file that is dropped must not take the place of the page.
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  drop.classList.add('over');
});
document.addEventListener('dragleave', () => drop.classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  if (!files.disabled) void classifyAll([...(event.dataTransfer?.files ?? [])]);
});

/** @type {Awaited<ReturnType<typeof loadClassifier>>} */
let classifier;
try {
  classifier = await loadClassifier('./', { gpu: new URLSearchParams(location.search).get('device') !== 'wasm' });
} catch (error) {
  status.textContent = `The network cannot be loaded: ${messageOf(error)}`;
  status.className = 'error';
  throw error;
}
const where = classifier.device === 'webgpu' ? 'on the graphics card (WebGPU)' : 'on the processor (WebAssembly)';
status.textContent = `Ready: ${classifier.classes.length} classes, computed ${where}.`;
files.disabled = camera.disabled = false;

files.addEventListener('change', () => void classifyAll([...(files.files ?? [])]));
document.addEventListener('paste', ({ clipboardData }) => void classifyAll([...(clipboardData?.files ?? [])]));

/** One after the other, the first of them first. */
async function classifyAll(/** @type {File[]} */ chosen) {
  for (const [i, file] of chosen.entries()) {
    status.textContent = `Image ${i + 1} of ${chosen.length} ...`;
    const row = document.createElement('li');
    const picture = document.createElement('img');
    picture.src = URL.createObjectURL(file);
    for (const done of ['load', 'error']) picture.addEventListener(done, () => URL.revokeObjectURL(picture.src));
    picture.alt = file.name;
    const about = document.createElement('div');
    row.append(picture, about);
    try {
      show(about, file.name, await classifier.classify(file));
    } catch (error) {
      picture.remove();
      about.append(heading(file.name), paragraph(`This image cannot be read: ${messageOf(error)}`, 'error'));
    }
    results.append(row);
  }
  if (chosen.length > 0) status.textContent = `Done: ${chosen.length} ${chosen.length === 1 ? 'image' : 'images'}.`;
}

function show(
  /** @type {HTMLElement} */ about,
  /** @type {string} */ title,
  /** @type {Answer} */ { predictions, milliseconds },
) {
  const table = document.createElement('table');
  for (const { label, score } of predictions) {
    const row = table.insertRow();
    const name = document.createElement('th');
    name.scope = 'row';
    name.textContent = label;
    const bar = document.createElement('span');
    bar.style.width = `${100 * score}%`;
    name.append(bar);
    row.append(name);
    row.insertCell().textContent = `${(100 * score).toFixed(1)}%`;
  }
  about.replaceChildren(heading(title), table, paragraph(`${milliseconds.toFixed(1)} ms`));
}

function heading(/** @type {string} */ text) {
  const made = document.createElement('h3');
  made.textContent = text;
  return made;
}

function paragraph(/** @type {string} */ text, className = '') {
  const made = document.createElement('p');
  made.textContent = text;
  made.className = className;
  return made;
}

/** @type {MediaStream | undefined} */
let stream;
/** What the camera shows, beside the files. @type {HTMLElement | undefined} */
let cameraRow;
camera.addEventListener('click', () => void (stream === undefined ? startCamera() : stopCamera()));

async function startCamera() {
  camera.disabled = true; // while the browser asks
  try {
    // Pages that are not served over HTTPS have no cameras.
    if (navigator.mediaDevices === undefined) throw new Error('the page must come over HTTPS, or from this computer');
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    for (const track of stream.getTracks()) track.addEventListener('ended', stopCamera);
    video.srcObject = stream;
    video.hidden = false;
    camera.textContent = 'Stop the camera';
    camera.setAttribute('aria-pressed', 'true');
    await video.play();
    camera.disabled = false;
    await watch();
  } catch (error) {
    stopCamera();
    status.textContent = `The camera cannot be used: ${messageOf(error)}`;
  } finally {
    camera.disabled = false;
  }
}

/** Answers to what the camera sees, until it is stopped. */
async function watch() {
  if (cameraRow === undefined) {
    cameraRow = document.createElement('div');
    const row = document.createElement('li');
    row.className = 'camera';
    row.append(cameraRow);
    results.prepend(row);
  }
  results.setAttribute('aria-live', 'off'); // a screen reader could not keep up
  const own = stream;
  const isOn = () => stream === own;
  while (isOn()) {
    try {
      const answer = await classifier.classify(video, { topk: 3 });
      if (isOn()) show(cameraRow, 'Camera', answer);
    } catch (error) {
      if (isOn()) throw error; // a camera that was stopped has no pictures
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function stopCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = undefined;
  video.srcObject = null;
  video.hidden = true;
  camera.textContent = 'Use the camera';
  camera.setAttribute('aria-pressed', 'false');
  results.setAttribute('aria-live', 'polite');
}

function messageOf(/** @type {unknown} */ error) {
  return error instanceof Error ? error.message : String(error);
}
